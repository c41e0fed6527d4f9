//! The job as a graph of vertices. [`JobGraph`] is what was read; [`Topology`] is the same graph known to
//! be sound, with the order in which rates flow.
//!
//! The rule: the engine works on a [`Topology`] only, so it meets no cycle, no unknown input and no
//! vertex without subtasks. Tests are below.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// Flink's id of a vertex, 32 hex digits as a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VertexId(String);

/// A text that is no id of a vertex.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a vertex id: it is empty or holds a blank, a comma or a colon")]
pub struct InvalidVertexId(pub String);

impl VertexId {
    /// An id; refused if it could not stand in the text form of overrides (`id:4,id:2`).
    pub fn new(id: impl Into<String>) -> Result<Self, InvalidVertexId> {
        let id = id.into();
        let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ',' | ':' | ';');
        if id.is_empty() || id.contains(odd) {
            return Err(InvalidVertexId(id));
        }
        Ok(Self(id))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VertexId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for VertexId {
    type Err = InvalidVertexId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

/// How records are spread over the subtasks of the reading vertex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShipStrategy {
    /// One to one.
    Forward,
    /// By key; the only one bound to key groups.
    Hash,
    /// Round robin to all.
    Rebalance,
    /// Round robin to some.
    Rescale,
    /// Each to all.
    Broadcast,
    /// All to the first.
    Global,
    /// By a partitioner of the user or one that is new to us.
    Other,
}

impl From<&str> for ShipStrategy {
    /// Flink's name, in any case.
    fn from(name: &str) -> Self {
        match name.trim().to_ascii_uppercase().as_str() {
            "FORWARD" => Self::Forward,
            "HASH" => Self::Hash,
            "REBALANCE" => Self::Rebalance,
            "RESCALE" => Self::Rescale,
            "BROADCAST" => Self::Broadcast,
            "GLOBAL" => Self::Global,
            _ => Self::Other,
        }
    }
}

/// A connection from the vertex that writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The vertex that writes.
    pub from: VertexId,
    /// How records are spread.
    pub ship: ShipStrategy,
}

/// A vertex of the running job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vertex {
    /// Its id.
    pub id: VertexId,
    /// Its name, for people.
    pub name: String,
    /// Subtasks now.
    pub parallelism: u32,
    /// Most subtasks that its key groups allow.
    pub max_parallelism: u32,
    /// What it reads; empty for a source.
    pub inputs: Vec<Input>,
    /// Whether all its subtasks have finished.
    pub finished: bool,
}

/// The graph as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobGraph {
    /// The vertices, in any order.
    pub vertices: Vec<Vertex>,
}

/// What is wrong with a graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// There is nothing to scale.
    #[error("the job graph has no vertices; Flink has not planned the job yet")]
    Empty,
    /// Two vertices share an id.
    #[error("vertex {0} is listed twice in the job graph; read it again")]
    Duplicate(VertexId),
    /// An input names no vertex.
    #[error("vertex {vertex} reads from {from}, which the job graph does not list; read it again")]
    UnknownInput {
        /// The reader.
        vertex: VertexId,
        /// What it reads from.
        from: VertexId,
    },
    /// A vertex reads, over others, what it wrote.
    #[error("the job graph has a cycle through vertex {0}; iterations cannot be scaled")]
    Cycle(VertexId),
    /// A vertex has no subtasks, or may have none.
    #[error("vertex {0} has parallelism or max parallelism 0; read the job again")]
    NoSubtasks(VertexId),
}

/// An edge by the positions of its ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// Position of the vertex that writes.
    pub from: usize,
    /// Position of the vertex that reads.
    pub to: usize,
    /// How records are spread.
    pub ship: ShipStrategy,
}

/// A sound graph. Positions are those of the vertices sorted so that every vertex comes after what it
/// reads; equal graphs listed in another order give the same positions.
#[derive(Debug, Clone)]
pub struct Topology<'g> {
    vertices: Vec<&'g Vertex>,
    positions: BTreeMap<&'g VertexId, usize>,
    inputs: Vec<Vec<Edge>>,
    outputs: Vec<Vec<Edge>>,
}

impl JobGraph {
    /// The graph in topological order, or what is wrong with it.
    pub fn topology(&self) -> Result<Topology<'_>, GraphError> {
        let by_id = self.by_id()?;
        let order = order(&by_id)?;
        let positions: BTreeMap<&VertexId, usize> =
            (0..).zip(&order).map(|(i, v)| (&v.id, i)).collect();
        let mut topology = Topology {
            inputs: vec![Vec::new(); order.len()],
            outputs: vec![Vec::new(); order.len()],
            vertices: order,
            positions,
        };
        for (to, vertex) in topology.vertices.iter().enumerate() {
            for input in &vertex.inputs {
                let Some(&from) = topology.positions.get(&input.from) else {
                    continue;
                };
                let edge = Edge {
                    from,
                    to,
                    ship: input.ship,
                };
                topology
                    .inputs
                    .get_mut(to)
                    .into_iter()
                    .for_each(|list| list.push(edge));
                topology
                    .outputs
                    .get_mut(from)
                    .into_iter()
                    .for_each(|list| list.push(edge));
            }
        }
        Ok(topology)
    }

    fn by_id(&self) -> Result<BTreeMap<&VertexId, &Vertex>, GraphError> {
        if self.vertices.is_empty() {
            return Err(GraphError::Empty);
        }
        let mut by_id = BTreeMap::new();
        for vertex in &self.vertices {
            if vertex.parallelism == 0 || vertex.max_parallelism == 0 {
                return Err(GraphError::NoSubtasks(vertex.id.clone()));
            }
            if by_id.insert(&vertex.id, vertex).is_some() {
                return Err(GraphError::Duplicate(vertex.id.clone()));
            }
        }
        for vertex in &self.vertices {
            for input in &vertex.inputs {
                if !by_id.contains_key(&input.from) {
                    return Err(GraphError::UnknownInput {
                        vertex: vertex.id.clone(),
                        from: input.from.clone(),
                    });
                }
            }
        }
        Ok(by_id)
    }
}

/// Kahn's algorithm, always taking the smallest id, so that the order depends on the graph alone.
fn order<'g>(by_id: &BTreeMap<&'g VertexId, &'g Vertex>) -> Result<Vec<&'g Vertex>, GraphError> {
    let mut open: BTreeMap<&VertexId, usize> =
        by_id.iter().map(|(id, v)| (*id, v.inputs.len())).collect();
    let mut readers: BTreeMap<&VertexId, Vec<&'g VertexId>> = BTreeMap::new();
    for vertex in by_id.values() {
        for input in &vertex.inputs {
            readers.entry(&input.from).or_default().push(&vertex.id);
        }
    }
    let mut ready: std::collections::BTreeSet<&VertexId> = open
        .iter()
        .filter(|(_, n)| **n == 0)
        .map(|(id, _)| *id)
        .collect();
    let mut order = Vec::with_capacity(by_id.len());
    while let Some(id) = ready.pop_first() {
        open.remove(id);
        order.extend(by_id.get(id).copied());
        for reader in readers.get(id).into_iter().flatten() {
            if let Some(left) = open.get_mut(*reader) {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    ready.insert(reader);
                }
            }
        }
    }
    match open.keys().next() {
        Some(stuck) => Err(GraphError::Cycle((*stuck).clone())),
        None => Ok(order),
    }
}

impl<'g> Topology<'g> {
    /// The vertices in topological order.
    pub fn vertices(&self) -> &[&'g Vertex] {
        &self.vertices
    }

    /// The vertex of this id.
    pub fn find(&self, id: &VertexId) -> Option<&'g Vertex> {
        self.vertices.get(*self.positions.get(id)?).copied()
    }

    /// What the vertex at this position reads.
    pub fn inputs(&self, position: usize) -> &[Edge] {
        self.inputs.get(position).map_or(&[], Vec::as_slice)
    }

    /// What reads from the vertex at this position.
    pub fn outputs(&self, position: usize) -> &[Edge] {
        self.outputs.get(position).map_or(&[], Vec::as_slice)
    }

    /// Whether the vertex at this position reads nothing from others.
    pub fn is_source(&self, position: usize) -> bool {
        self.inputs(position).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vertex(id: &str, from: &[&str]) -> Vertex {
        Vertex {
            id: VertexId::new(id).unwrap(),
            name: id.to_owned(),
            parallelism: 1,
            max_parallelism: 128,
            inputs: from
                .iter()
                .map(|f| Input {
                    from: VertexId::new(*f).unwrap(),
                    ship: ShipStrategy::Rebalance,
                })
                .collect(),
            finished: false,
        }
    }

    fn ids(graph: &JobGraph) -> Vec<String> {
        let topology = graph.topology().unwrap();
        topology
            .vertices()
            .iter()
            .map(|v| v.id.to_string())
            .collect()
    }

    #[test]
    fn readers_come_after_writers_whatever_the_listing() {
        let mut vertices = vec![
            vertex("sink", &["join"]),
            vertex("join", &["b", "a"]),
            vertex("a", &[]),
            vertex("b", &["a"]),
        ];
        let graph = JobGraph {
            vertices: vertices.clone(),
        };
        vertices.reverse();
        assert_eq!(ids(&graph), ["a", "b", "join", "sink"]);
        assert_eq!(ids(&JobGraph { vertices }), ["a", "b", "join", "sink"]);
    }

    #[test]
    fn two_edges_between_the_same_vertices_are_two_edges() {
        let graph = JobGraph {
            vertices: vec![vertex("a", &[]), vertex("b", &["a", "a"])],
        };
        let topology = graph.topology().unwrap();
        assert_eq!(topology.inputs(1).len(), 2);
        assert_eq!(topology.outputs(0).len(), 2);
        assert!(topology.is_source(0) && !topology.is_source(1));
    }

    #[test]
    fn unsound_graphs_are_refused_by_name() {
        let id = |text: &str| VertexId::new(text).unwrap();
        let check = |vertices: Vec<Vertex>| JobGraph { vertices }.topology().unwrap_err();
        assert_eq!(check(vec![]), GraphError::Empty);
        assert_eq!(
            check(vec![
                vertex("a", &["c"]),
                vertex("b", &["a"]),
                vertex("c", &["b"])
            ]),
            GraphError::Cycle(id("a"))
        );
        assert_eq!(check(vec![vertex("a", &["a"])]), GraphError::Cycle(id("a")));
        assert_eq!(
            check(vec![vertex("a", &[]), vertex("a", &[])]),
            GraphError::Duplicate(id("a"))
        );
        assert_eq!(
            check(vec![vertex("a", &["x"])]),
            GraphError::UnknownInput {
                vertex: id("a"),
                from: id("x")
            }
        );
        let mut none = vertex("a", &[]);
        none.parallelism = 0;
        assert_eq!(check(vec![none]), GraphError::NoSubtasks(id("a")));
    }

    #[test]
    fn ids_that_would_break_the_text_form_are_refused() {
        for text in ["", "a b", "a:1", "a,b", "a;b", "a\n"] {
            assert_eq!(VertexId::new(text), Err(InvalidVertexId(text.to_owned())));
        }
    }

    #[test]
    fn ten_thousand_vertices_in_a_row_are_ordered() {
        let vertices = (0..10_000u32)
            .map(|n| {
                let before = (n > 0).then(|| format!("v{:05}", n - 1));
                vertex(
                    &format!("v{n:05}"),
                    &before.iter().map(String::as_str).collect::<Vec<_>>(),
                )
            })
            .collect();
        assert_eq!(
            JobGraph { vertices }.topology().unwrap().vertices().len(),
            10_000
        );
    }
}
