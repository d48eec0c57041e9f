"""The worker: what it does in its event loop, whoever the loop belongs to.

Everything here runs in one loop, without locks, except what says otherwise. The worker of threads brings a loop in a
thread of its own and calls of threads; the worker of asyncio runs in its caller's loop, with calls of asyncio.
"""
