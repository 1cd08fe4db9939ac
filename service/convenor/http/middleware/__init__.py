"""What holds for every request: one pure ASGI middleware for each duty.

They know no resource. From the outermost to the innermost:

1. `request_context` makes the context and names the request in the answer;
2. `security_headers` adds the headers that protect a browser;
3. `audit` holds the answer back until its event is durable;
4. `problems` answers in place of what raised;
5. `limits` refuses a wrong host and ends what takes too long;
6. `authentication` proves the caller;
7. `body` bounds what is read.
"""
