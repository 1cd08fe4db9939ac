"""Answers in place of what raised, as long as no answer has begun."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from convenor.http.exception_handlers import problem_of, refuse, render
from convenor.http.request_context import RequestContext


class ProblemMiddleware:
    """Turns exceptions of the middleware inside it, and those that no handler took, into problems."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def send_once(message: Message) -> None:
            nonlocal started
            await send(message)
            started = True

        try:
            await self.app(scope, receive, send_once)
        except Exception as error:
            if started:
                raise
            context = RequestContext.of(scope)
            try:
                await refuse(error, context)(scope, receive, send_once)
            except Exception as unwritten:
                if started:
                    raise
                # The event of the refusal cannot be written either. The answer carries no data.
                answer = render(problem_of(unwritten, context.request_id), context, None)
                await answer(scope, receive, send)
