//! The stored form of a job's graph and options, version 1: what it takes, beside window and history, to
//! evaluate the job again elsewhere.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Ignored, Restored,
    history::{read, vertex},
};
use crate::topology::{Input, JobGraph, ShipStrategy, Vertex};

const VERSION: u32 = 1;

/// What is stored of a job.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StoredJob {
    /// The graph as it ran.
    pub graph: JobGraph,
    /// The autoscaler's options in force, as the configuration has them.
    pub options: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredForm {
    version: u32,
    #[serde(default)]
    options: BTreeMap<String, String>,
    vertices: Vec<StoredVertex>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredVertex {
    id: String,
    name: String,
    parallelism: u32,
    max_parallelism: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    inputs: Vec<(String, ShipStrategy)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    finished: bool,
}

/// Graph and options as JSON.
pub fn job_to_json(graph: &JobGraph, options: &BTreeMap<String, String>) -> String {
    let input = |input: &Input| (input.from.to_string(), input.ship);
    let stored = StoredForm {
        version: VERSION,
        options: options.clone(),
        vertices: graph
            .vertices
            .iter()
            .map(|vertex| StoredVertex {
                id: vertex.id.to_string(),
                name: vertex.name.clone(),
                parallelism: vertex.parallelism,
                max_parallelism: vertex.max_parallelism,
                inputs: vertex.inputs.iter().map(input).collect(),
                finished: vertex.finished,
            })
            .collect(),
    };
    // Texts and whole numbers always serialize.
    serde_json::to_string(&stored).unwrap_or_default()
}

/// Graph and options from JSON; nothing, and the reason, if they cannot be read in full: a part of a graph is
/// another graph.
pub fn job_from_json(text: &str) -> Restored<StoredJob> {
    let mut restored = Restored::<StoredJob>::default();
    if text.trim().is_empty() {
        return restored;
    }
    let job = read::<StoredForm>("job graph", VERSION, text).and_then(|stored| {
        let vertices: Result<Vec<Vertex>, Ignored> =
            stored.vertices.into_iter().map(restore).collect();
        Ok(StoredJob {
            graph: JobGraph {
                vertices: vertices?,
            },
            options: stored.options,
        })
    });
    match job {
        Ok(job) => restored.value = job,
        Err(reason) => restored.ignored.push(reason),
    }
    restored
}

fn restore(stored: StoredVertex) -> Result<Vertex, Ignored> {
    let inputs: Result<Vec<Input>, Ignored> = stored
        .inputs
        .into_iter()
        .map(|(from, ship)| {
            let from = vertex(&from)?;
            Ok(Input { from, ship })
        })
        .collect();
    Ok(Vertex {
        id: vertex(&stored.id)?,
        name: stored.name,
        parallelism: stored.parallelism,
        max_parallelism: stored.max_parallelism,
        inputs: inputs?,
        finished: stored.finished,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::VertexId;

    fn graph() -> JobGraph {
        let vertex = |id: &str, inputs: &[&str]| Vertex {
            id: VertexId::new(id).unwrap(),
            name: format!("{id}: \"name\""),
            parallelism: 2,
            max_parallelism: 128,
            inputs: inputs
                .iter()
                .map(|from| Input {
                    from: VertexId::new(*from).unwrap(),
                    ship: ShipStrategy::Hash,
                })
                .collect(),
            finished: inputs.is_empty(),
        };
        JobGraph {
            vertices: vec![vertex("a", &[]), vertex("b", &["a"])],
        }
    }

    #[test]
    fn what_was_written_is_read_back_equal() {
        let options = BTreeMap::from([("job.autoscaler.mode".to_owned(), "auto".to_owned())]);
        let restored = job_from_json(&job_to_json(&graph(), &options));
        assert_eq!(restored.ignored, []);
        assert_eq!(
            (restored.value.graph, restored.value.options),
            (graph(), options)
        );
    }

    #[test]
    fn a_graph_of_which_a_part_cannot_be_read_is_none() {
        let text = job_to_json(&graph(), &BTreeMap::new());
        for text in [
            text[..text.len() / 2].to_owned(),
            text.replace("\"id\":\"b\"", "\"id\":\"b c\""),
            text.replace("\"version\":1", "\"version\":9"),
        ] {
            let restored = job_from_json(&text);
            assert_eq!(restored.value, StoredJob::default(), "{text}");
            assert_eq!(restored.ignored.len(), 1, "{text}");
        }
    }
}
