//! The flows of a connection, by id.

use crate::flow::Flow;
use crate::wire::FlowId;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Flows(BTreeMap<FlowId, Flow>);

impl Flows {
    pub(super) fn get(&self, id: FlowId) -> Option<&Flow> {
        self.0.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: FlowId) -> Option<&mut Flow> {
        self.0.get_mut(&id)
    }

    /// Every flow, in the order of ids.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Flow> {
        self.0.values()
    }

    /// The same, to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Flow> {
        self.0.values_mut()
    }

    /// Those that may be sent on.
    pub(super) fn open(&self) -> impl Iterator<Item = &Flow> {
        self.iter().filter(|flow| flow.is_open())
    }

    /// The same, to be changed.
    pub(super) fn open_mut(&mut self) -> impl Iterator<Item = &mut Flow> {
        self.iter_mut().filter(|flow| flow.is_open())
    }

    /// Those that answer.
    pub(super) fn answering(&self) -> impl Iterator<Item = &Flow> {
        self.iter().filter(|flow| flow.answers())
    }

    /// Those that answer, to be changed.
    pub(super) fn answering_mut(&mut self) -> impl Iterator<Item = &mut Flow> {
        self.iter_mut().filter(|flow| flow.answers())
    }

    pub(super) fn any_answers(&self) -> bool {
        self.answering().next().is_some()
    }

    /// The ids of those of which `chosen` holds, for a change that needs more than the flow.
    pub(super) fn ids(&self, chosen: impl Fn(&Flow) -> bool) -> Vec<FlowId> {
        self.iter().filter(|flow| chosen(flow)).map(|flow| flow.id).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn contains(&self, id: FlowId) -> bool {
        self.0.contains_key(&id)
    }

    pub(super) fn insert(&mut self, flow: Flow) {
        self.0.insert(flow.id, flow);
    }

    /// All of them, for good.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Flow> + use<> {
        core::mem::take(&mut self.0).into_values()
    }

    pub(super) fn remove(&mut self, id: FlowId) -> Option<Flow> {
        self.0.remove(&id)
    }
}
