"""What a server sends to those who watch, connection by connection."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from millpond import v1

if TYPE_CHECKING:
    from collections.abc import Iterator

    import grpc


class WatchScript:
    """Answers each connection with its messages, the last of them once more to every later one.

    A message that is a function is called, to fail for example; ``STAYS`` keeps the connection open.
    """

    def __init__(self, *connections: list[Any]) -> None:
        self._connections = connections
        self.requests: list[v1.WatchEventsRequest] = []
        self.peers: list[str] = []
        """The client's end of the connection, by request."""
        self.ended = [threading.Event() for _ in connections]
        """Set when the client, or the script, has ended a connection."""

    def __call__(
        self, request: v1.WatchEventsRequest, context: grpc.ServicerContext
    ) -> Iterator[v1.WatchEventsResponse]:
        self.requests.append(request)
        self.peers.append(context.peer())
        index = min(len(self.requests), len(self._connections)) - 1
        ended = self.ended[index]
        if not context.add_callback(ended.set):
            ended.set()
        for message in self._connections[index]:
            if message is STAYS:
                ended.wait()
            elif callable(message):
                message(request, context)
            else:
                yield message


STAYS = object()


def event(cursor: str) -> v1.WatchEventsResponse:
    return v1.WatchEventsResponse(cursor=cursor, events=v1.EventList())
