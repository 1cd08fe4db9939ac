"""Define the embedded server's settings: for a small machine, without any value from a statement in its log."""

# Statements hold children's data. PostgreSQL would log them in four ways: the statement of an error, its parameters,
# the DETAIL of a violated constraint ("Key (upn)=(...) already exists") and the error itself ("invalid input syntax for
# type date: ..."). All four are off. The application gets every error and logs what is safe.
SETTINGS = """\
# Written by Convenor at every start. To tune this server use ALTER SYSTEM, which is kept.
listen_addresses = ''
port = {port}
unix_socket_directories = '{socket_folder}'
unix_socket_permissions = 0700
max_connections = 100
shared_buffers = 128MB
fsync = on
jit = off
track_io_timing = off
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
log_min_messages = log
log_min_error_statement = panic
log_error_verbosity = terse
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_checkpoints = off
"""
