//! Streams whose next item is made by an async function.

use std::task::{Context, Poll};

use futures_util::stream::{self, BoxStream, Stream, StreamExt};

use crate::Error;

/// Makes one item after the other.
pub(crate) trait Source: Send + 'static {
    type Item: Send + 'static;

    /// The next item; `None` at the end, and after an error.
    fn next(&mut self) -> impl Future<Output = Option<Result<Self::Item, Error>>> + Send;
}

/// A stream over a source. Whoever drops the future of an item loses none: the stream holds on to what it has begun.
pub(crate) struct Pull<S: Source> {
    /// Until the first item is asked for.
    source: Option<S>,
    stream: Option<BoxStream<'static, Result<S::Item, Error>>>,
}

impl<S: Source> Pull<S> {
    pub(crate) fn new(source: S) -> Self {
        Self { source: Some(source), stream: None }
    }

    /// Sets options of the source. They have no effect any more once it has begun.
    pub(crate) fn with(mut self, set: impl FnOnce(&mut S)) -> Self {
        if let Some(source) = &mut self.source {
            set(source);
        }
        self
    }

    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<S::Item, Error>>> {
        let source = self.source.take();
        if let Some(source) = source {
            // Asked again after its end, it ends again.
            self.stream = Some(into_stream(source).fuse().boxed());
        }
        match &mut self.stream {
            Some(stream) => stream.poll_next_unpin(context),
            None => Poll::Ready(None),
        }
    }
}

fn into_stream<S: Source>(source: S) -> impl Stream<Item = Result<S::Item, Error>> + Send {
    stream::unfold(source, |mut source| async move {
        let item = source.next().await?;
        Some((item, source))
    })
}
