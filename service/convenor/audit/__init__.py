"""The audit trail: its tables, and the writer that makes events durable before an answer leaves."""
