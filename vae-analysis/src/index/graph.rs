//! The graph: algorithms 1, 2, 4 and 5 of Malkov and Yashunin 2018.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::IndexOptions;
use super::near::{Near, Visited, select};
use crate::neighbours::squared;
use crate::random::{Stream, rng, uniform};
use crate::rows::Rows;

/// No vector is on a higher level; one in 2^60 would be, with the usual 16 links.
const HIGHEST: usize = 15;

/// No other vector.
pub(super) const NONE: u32 = u32::MAX;

/// Links of vectors to near ones, on levels of which each holds a part of the one below. A vector that is equal to one before
/// is not linked but hangs on that one: links among equals would lead nowhere else.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Graph {
    options: IndexOptions,
    /// The level of each vector.
    pub(super) levels: Vec<u8>,
    /// For each vector and each of its levels from 0: how many links it has, then room for all that it may have.
    pub(super) slots: Vec<u32>,
    /// The next of the vectors that are equal to each, or [`NONE`].
    pub(super) equals: Vec<u32>,
    /// Where the slots of each vector begin.
    offsets: Vec<usize>,
    /// The vector where every search begins: the first of the highest level.
    entry: u32,
}

impl Graph {
    pub(super) fn new(options: IndexOptions) -> Self {
        Self {
            options,
            levels: Vec::new(),
            slots: Vec::new(),
            equals: Vec::new(),
            offsets: Vec::new(),
            entry: 0,
        }
    }

    /// From what was stored; checks that every link leads to a vector that is on the level of the link.
    pub(super) fn restore(
        options: IndexOptions,
        levels: Vec<u8>,
        equals: Vec<u32>,
        slots: Vec<u32>,
    ) -> Result<Self, String> {
        let mut graph = Self::new(options);
        let mut end = 0;
        for &level in &levels {
            if usize::from(level) > HIGHEST {
                return Err(format!("level {level} is above {HIGHEST}"));
            }
            graph.offsets.push(end);
            end += graph.room(level.into());
        }
        if end != slots.len() {
            return Err(format!(
                "it has {} link slots in place of {end}",
                slots.len()
            ));
        }
        let highest = levels.iter().max();
        graph.entry = levels.iter().position(|l| Some(l) == highest).unwrap_or(0) as u32;
        if equals.len() != levels.len()
            || equals
                .iter()
                .any(|e| *e != NONE && *e as usize >= levels.len())
        {
            return Err("a vector is equal to none that there is".to_owned());
        }
        (graph.levels, graph.equals, graph.slots) = (levels, equals, slots);
        for at in 0..graph.levels.len() {
            for level in 0..=usize::from(graph.levels[at]) {
                let start = graph.start(at as u32, level);
                let count = graph.slots[start] as usize;
                let links = graph
                    .slots
                    .get(start + 1..start + 1 + count)
                    .filter(|_| count <= graph.most(level));
                let right = |to: &u32| {
                    graph
                        .levels
                        .get(*to as usize)
                        .is_some_and(|l| usize::from(*l) >= level)
                };
                if !links.is_some_and(|links| links.iter().all(right)) {
                    return Err(format!("vector {at} has a link to nowhere"));
                }
            }
        }
        Ok(graph)
    }

    /// Links all vectors before `count` that are not linked yet.
    pub(super) fn extend_to(&mut self, count: usize, rows: Rows) {
        let mut visited = Visited::default();
        let first = self.levels.len();
        // The draws of those before are passed over, so that how vectors were divided does not show.
        let mut rng = rng(self.options.seed, Stream::Level);
        rng.set_word_pos(2 * first as u128);
        for at in first..count {
            let height = -(1.0 - uniform(&mut rng)).ln() / (self.options.links as f64).ln();
            self.insert(
                at as u32,
                (height as usize).min(HIGHEST),
                rows,
                &mut visited,
            );
        }
    }

    /// Up to `effort` vectors near to `query`, from the nearest.
    pub(super) fn search(&self, query: &[f32], effort: usize, rows: Rows) -> Vec<(f32, u32)> {
        if self.levels.is_empty() {
            return Vec::new();
        }
        let top = usize::from(self.levels[self.entry as usize]);
        let start = self.descend(query, self.start_at(query, rows), top, 0, rows);
        let found = self.search_level(query, vec![start], effort, 0, rows, &mut Visited::default());
        let mut all = Vec::with_capacity(found.len());
        for Near(distance, first) in found {
            let mut at = first;
            // Bounded, so that not even a forged file with a circle of equals keeps it here.
            while at != NONE && all.len() < effort {
                all.push((distance, at));
                at = self.equals[at as usize];
            }
        }
        all
    }

    fn insert(&mut self, at: u32, level: usize, rows: Rows, visited: &mut Visited) {
        if at == 0 {
            self.push(level);
            return;
        }
        let query = rows.row(at as usize);
        let top = usize::from(self.levels[self.entry as usize]);
        let mut starts = vec![self.descend(query, self.start_at(query, rows), top, level, rows)];
        let mut near = Vec::new(); // on each level, from the highest
        for level in (0..=level.min(top)).rev() {
            let found = self.search_level(query, starts, self.options.effort, level, rows, visited);
            near.push((level, select(&found, self.options.links, rows)));
            starts = found;
        }
        let nearest = starts[0].1;
        if rows.row(nearest as usize) == query {
            self.push(0);
            self.equals[at as usize] = self.equals[nearest as usize];
            self.equals[nearest as usize] = at;
            return;
        }
        self.push(level);
        for (level, chosen) in near {
            self.set_links(at, level, &chosen);
            for Near(distance, other) in chosen {
                self.link_back(other, Near(distance, at), level, rows);
            }
        }
        if level > top {
            self.entry = at;
        }
    }

    /// Makes room for the next vector, which has no links yet.
    fn push(&mut self, level: usize) {
        self.offsets.push(self.slots.len());
        self.slots.resize(self.slots.len() + self.room(level), 0);
        self.levels.push(level as u8);
        self.equals.push(NONE);
    }

    fn start_at(&self, query: &[f32], rows: Rows) -> Near {
        Near(squared(query, rows.row(self.entry as usize)), self.entry)
    }

    /// The nearest that greedy steps reach on the levels from `top` down to above `level`.
    fn descend(
        &self,
        query: &[f32],
        mut nearest: Near,
        top: usize,
        level: usize,
        rows: Rows,
    ) -> Near {
        for level in (level + 1..=top).rev() {
            loop {
                let links = self.links(nearest.1, level).iter();
                let best = links
                    .map(|&to| Near(squared(query, rows.row(to as usize)), to))
                    .min();
                match best {
                    Some(best) if best < nearest => nearest = best,
                    _ => break,
                }
            }
        }
        nearest
    }

    /// Algorithm 2: the nearest on a level, in order.
    fn search_level(
        &self,
        query: &[f32],
        starts: Vec<Near>,
        effort: usize,
        level: usize,
        rows: Rows,
        visited: &mut Visited,
    ) -> Vec<Near> {
        visited.clear(self.levels.len());
        starts.iter().for_each(|near| _ = visited.first(near.1));
        let mut open: BinaryHeap<Reverse<Near>> = starts.iter().copied().map(Reverse).collect();
        let mut found = BinaryHeap::from(starts);
        while let Some(Reverse(near)) = open.pop() {
            let worst = found.peek().map_or(f32::INFINITY, |worst| worst.0);
            if near.0 > worst && found.len() >= effort {
                break;
            }
            for &to in self.links(near.1, level) {
                if !visited.first(to) {
                    continue;
                }
                let next = Near(squared(query, rows.row(to as usize)), to);
                if found.len() < effort || found.peek().is_some_and(|worst| next < *worst) {
                    open.push(Reverse(next));
                    found.push(next);
                    if found.len() > effort {
                        found.pop();
                    }
                }
            }
        }
        found.into_sorted_vec()
    }

    /// Adds a link, and leaves out the least useful where there is no room.
    fn link_back(&mut self, from: u32, to: Near, level: usize, rows: Rows) {
        let most = self.most(level);
        let start = self.start(from, level);
        let count = self.slots[start] as usize;
        if count < most {
            self.slots[start + 1 + count] = to.1;
            self.slots[start] += 1;
            return;
        }
        let own = rows.row(from as usize);
        let known = self.links(from, level).iter();
        let mut all: Vec<Near> = known
            .map(|&to| Near(squared(own, rows.row(to as usize)), to))
            .collect();
        all.push(to);
        all.sort_unstable();
        let chosen = select(&all, most, rows);
        self.set_links(from, level, &chosen);
    }

    fn set_links(&mut self, from: u32, level: usize, links: &[Near]) {
        let start = self.start(from, level);
        self.slots[start] = links.len() as u32;
        for (slot, link) in self.slots[start + 1..].iter_mut().zip(links) {
            *slot = link.1;
        }
    }

    fn links(&self, from: u32, level: usize) -> &[u32] {
        let start = self.start(from, level);
        &self.slots[start + 1..][..self.slots[start] as usize]
    }

    /// Most links of a vector on a level.
    fn most(&self, level: usize) -> usize {
        if level == 0 {
            2 * self.options.links
        } else {
            self.options.links
        }
    }

    /// Slots of a vector up to a level.
    fn room(&self, level: usize) -> usize {
        1 + 2 * self.options.links + level * (1 + self.options.links)
    }

    fn start(&self, at: u32, level: usize) -> usize {
        let own = self.offsets[at as usize];
        if level == 0 {
            own
        } else {
            own + self.room(level - 1)
        }
    }
}
