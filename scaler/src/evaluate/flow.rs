//! How rates flow down the graph.
//!
//! The rule: a vertex gets from each of its inputs that one's target rate times the share of records
//! that have passed along the edge. Tests are below.

use std::collections::BTreeSet;

use crate::{
    topology::Topology,
    units::{Rate, Ratio},
};

/// Rates measured at every vertex, by position.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    /// Records read per second.
    pub records_in: Vec<Option<Rate>>,
    /// Records written per second.
    pub records_out: Vec<Option<Rate>>,
}

/// For every vertex, by position: the vertices it reads from, each with the records that arrive here for
/// one record read there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ratios(Vec<Vec<(usize, Option<Ratio>)>>);

impl Ratios {
    /// What passed along each edge, over what its writer read.
    ///
    /// Along the edge from u to v passed
    /// 1. what v read, if u is its only input;
    /// 2. what v read less what its other inputs wrote, if each of those writes to v alone;
    /// 3. else what u wrote, as if all of it went to v.
    ///
    /// Two sources read 100 each and write 200 and 50, v reads 250: 2.0 from the first, 0.5 from the second.
    /// Where u read nothing there is no telling; `idle` says what to take then.
    pub fn of(topology: &Topology<'_>, measured: &Measured, idle: Option<Ratio>) -> Self {
        let ratio = |from: usize, to: usize, inputs: &BTreeSet<usize>| {
            let read = at(&measured.records_in, from)?;
            if read == Rate::ZERO {
                return idle;
            }
            passed(topology, measured, (from, to), inputs)?.over(read)
        };
        let inputs = |to: usize| {
            let inputs: BTreeSet<usize> =
                topology.inputs(to).iter().map(|edge| edge.from).collect();
            inputs
                .iter()
                .map(|from| (*from, ratio(*from, to, &inputs)))
                .collect()
        };
        Self((0..topology.vertices().len()).map(inputs).collect())
    }

    /// The ratio along an edge.
    pub fn along(&self, from: usize, to: usize) -> Option<Ratio> {
        self.0.get(to)?.iter().find(|(f, _)| *f == from)?.1
    }

    /// The rate at every vertex if these are the rates of the sources. Unknown is what depends on
    /// something unknown; nothing upstream is nothing here, whatever the ratio.
    pub fn carry(&self, sources: &[Option<Rate>]) -> Vec<Option<Rate>> {
        let mut rates: Vec<Option<Rate>> = Vec::with_capacity(self.0.len());
        for (position, inputs) in self.0.iter().enumerate() {
            let arriving =
                |(from, ratio): &(usize, Option<Ratio>)| match (at(&rates, *from)?, *ratio) {
                    (Rate::ZERO, _) => Some(Rate::ZERO),
                    (rate, ratio) => Some(rate.times(ratio?)),
                };
            let rate = if inputs.is_empty() {
                at(sources, position)
            } else {
                inputs
                    .iter()
                    .map(arriving)
                    .try_fold(Rate::ZERO, |sum, rate| Some(sum.plus(rate?)))
            };
            rates.push(rate);
        }
        rates
    }

    /// What arrives at a vertex when its inputs read so much.
    pub fn arriving(&self, to: usize, read: impl Fn(usize) -> Option<f64>) -> Option<f64> {
        let inputs = self.0.get(to)?;
        let one = |(from, ratio): &(usize, Option<Ratio>)| Some(read(*from)? * (*ratio)?.get());
        inputs
            .iter()
            .map(one)
            .try_fold(0.0, |sum, records| Some(sum + records?))
    }

    /// The largest of what any vertex upstream, or the vertex itself, has.
    pub fn largest_upstream(&self, own: &[Ratio]) -> Vec<Ratio> {
        let mut largest: Vec<Ratio> = Vec::with_capacity(own.len());
        for (inputs, own) in self.0.iter().zip(own) {
            let upstream = inputs
                .iter()
                .filter_map(|(from, _)| largest.get(*from).copied());
            let value = upstream.fold(*own, Ratio::max);
            largest.push(value);
        }
        largest
    }

    /// Whether any vertex upstream, or the vertex itself, is one of these.
    pub fn any_upstream(&self, own: &[bool]) -> Vec<bool> {
        let mut any: Vec<bool> = Vec::with_capacity(own.len());
        for (inputs, own) in self.0.iter().zip(own) {
            let upstream = inputs
                .iter()
                .any(|(from, _)| any.get(*from).copied().unwrap_or(false));
            any.push(*own || upstream);
        }
        any
    }
}

/// Records per second along an edge.
fn passed(
    topology: &Topology<'_>,
    measured: &Measured,
    (from, to): (usize, usize),
    inputs: &BTreeSet<usize>,
) -> Option<Rate> {
    let others = || inputs.iter().filter(|other| **other != from);
    let writes_here_alone = |other: &usize| {
        let readers: BTreeSet<usize> = topology
            .outputs(*other)
            .iter()
            .map(|edge| edge.to)
            .collect();
        readers.len() == 1
    };
    let written = at(&measured.records_out, from);
    let Some(read) = at(&measured.records_in, to) else {
        return written;
    };
    if inputs.len() == 1 {
        return Some(read);
    }
    if !others().all(writes_here_alone) {
        return written;
    }
    let from_others = others()
        .map(|other| at(&measured.records_out, *other))
        .try_fold(Rate::ZERO, |sum, rate| Some(sum.plus(rate?)));
    match from_others {
        Some(rate) => Some(Rate::new(read.get() - rate.get()).unwrap_or(Rate::ZERO)),
        None => written,
    }
}

fn at(rates: &[Option<Rate>], position: usize) -> Option<Rate> {
    rates.get(position).copied().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::{Input, JobGraph, ShipStrategy, Vertex, VertexId};

    fn graph(edges: &[(&str, &[&str])]) -> JobGraph {
        let vertex = |(id, inputs): &(&str, &[&str])| Vertex {
            id: VertexId::new(*id).unwrap(),
            name: (*id).to_owned(),
            parallelism: 1,
            max_parallelism: 128,
            inputs: inputs
                .iter()
                .map(|from| Input {
                    from: VertexId::new(*from).unwrap(),
                    ship: ShipStrategy::Rebalance,
                })
                .collect(),
            finished: false,
        };
        JobGraph {
            vertices: edges.iter().map(vertex).collect(),
        }
    }

    fn rates(values: &[Option<f64>]) -> Vec<Option<Rate>> {
        values
            .iter()
            .map(|value| value.and_then(Rate::new))
            .collect()
    }

    fn ratio(value: f64) -> Option<Ratio> {
        Ratio::new(value)
    }

    #[test]
    fn c35_the_share_of_each_input_is_told_apart() {
        let graph = graph(&[("a", &[]), ("b", &[]), ("c", &["a", "b"]), ("d", &["c"])]);
        let measured = Measured {
            records_in: rates(&[Some(100.0), Some(100.0), Some(250.0), Some(50.0)]),
            records_out: rates(&[Some(200.0), Some(50.0), None, None]),
        };
        let ratios = Ratios::of(&graph.topology().unwrap(), &measured, None);
        assert_eq!(ratios.along(0, 2), ratio(2.0));
        assert_eq!(ratios.along(1, 2), ratio(0.5));
        assert_eq!(ratios.along(2, 3), ratio(0.2));
        let carried = ratios.carry(&rates(&[Some(1000.0), Some(10.0), None, None]));
        assert_eq!(
            carried,
            rates(&[Some(1000.0), Some(10.0), Some(2005.0), Some(401.0)])
        );
    }

    #[test]
    fn c36_what_cannot_be_told_apart_is_taken_from_the_writer() {
        let graph = graph(&[
            ("a", &[]),
            ("b", &[]),
            ("c", &["a", "b"]),
            ("d", &["a", "b"]),
        ]);
        let measured = Measured {
            records_in: rates(&[Some(100.0), Some(100.0), None, None]),
            records_out: rates(&[Some(200.0), Some(50.0), None, None]),
        };
        let ratios = Ratios::of(&graph.topology().unwrap(), &measured, None);
        for to in [2, 3] {
            assert_eq!(ratios.along(0, to), ratio(2.0));
            assert_eq!(ratios.along(1, to), ratio(0.5));
        }
    }

    #[test]
    fn nothing_upstream_is_nothing_here_but_unknown_stays_unknown() {
        let graph = graph(&[("a", &[]), ("b", &["a"])]);
        let topology = graph.topology().unwrap();
        let idle = Measured {
            records_in: rates(&[Some(0.0), Some(0.0)]),
            records_out: rates(&[Some(0.0), None]),
        };
        let ratios = Ratios::of(&topology, &idle, None);
        assert_eq!(
            ratios.carry(&rates(&[Some(0.0), None])),
            rates(&[Some(0.0), Some(0.0)])
        );
        assert_eq!(
            ratios.carry(&rates(&[Some(5.0), None])),
            rates(&[Some(5.0), None])
        );
        assert_eq!(ratios.carry(&[None, None]), [None, None]);
    }

    #[test]
    fn what_is_upstream_is_found_over_any_distance() {
        let graph = graph(&[("a", &[]), ("b", &["a"]), ("c", &["b"]), ("x", &[])]);
        let ratios = Ratios::of(&graph.topology().unwrap(), &Measured::default(), None);
        assert_eq!(
            ratios.any_upstream(&[true, false, false, false]),
            [true, true, true, false]
        );
        let own = [0.1, 0.3, 0.2, 0.0].map(|v| Ratio::new(v).unwrap());
        let expected = [0.1, 0.3, 0.3, 0.0].map(|v| Ratio::new(v).unwrap());
        assert_eq!(ratios.largest_upstream(&own), expected);
    }
}
