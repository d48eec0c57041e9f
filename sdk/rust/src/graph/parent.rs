use crate::v1::{Dependency, DependencyCondition, dependency};

/// A task of a graph, as [`Graph::task`](crate::Graph::task) answers it: give it to those that come after.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TaskRef {
    key: String,
}

impl TaskRef {
    pub(super) fn new(key: &str) -> Self {
        Self { key: key.to_owned() }
    }

    /// Its key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// As a parent that must succeed: what it is without a condition, too.
    pub fn on_success(&self) -> Parent {
        Parent::from(self).on_success()
    }

    /// As a parent that must end, in whatever way.
    pub fn on_completion(&self) -> Parent {
        Parent::from(self).on_completion()
    }

    /// As a parent that must fail or be canceled.
    pub fn on_failure(&self) -> Parent {
        Parent::from(self).on_failure()
    }
}

/// A task on which another one depends, and how: a task of the same graph or batch by reference or key, wherever it is
/// listed, or an [existing](Parent::existing) one by its id.
#[derive(Debug, Clone, PartialEq)]
pub struct Parent(Dependency);

impl Parent {
    /// An existing task of any batch, by its id.
    pub fn existing(task_id: impl Into<String>) -> Self {
        Self::new(dependency::Parent::TaskId(task_id.into()))
    }

    /// It must succeed: what holds without a condition, too.
    pub fn on_success(self) -> Self {
        self.on(DependencyCondition::Success)
    }

    /// It must end, in whatever way.
    pub fn on_completion(self) -> Self {
        self.on(DependencyCondition::Completed)
    }

    /// It must fail or be canceled.
    pub fn on_failure(self) -> Self {
        self.on(DependencyCondition::Failure)
    }

    fn new(parent: dependency::Parent) -> Self {
        Self(Dependency { parent: Some(parent), condition: DependencyCondition::Unspecified.into() })
    }

    fn on(mut self, condition: DependencyCondition) -> Self {
        self.0.condition = condition.into();
        self
    }

    pub(super) fn into_message(self) -> Dependency {
        self.0
    }
}

impl From<&TaskRef> for Parent {
    fn from(task: &TaskRef) -> Self {
        Self::from(task.key())
    }
}

impl From<TaskRef> for Parent {
    fn from(task: TaskRef) -> Self {
        Self::from(task.key)
    }
}

impl From<&str> for Parent {
    fn from(key: &str) -> Self {
        Self::from(key.to_owned())
    }
}

impl From<String> for Parent {
    fn from(key: String) -> Self {
        Self::new(dependency::Parent::Key(key))
    }
}
