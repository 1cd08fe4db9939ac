"""Aggregates for boards, commissioners and the public: what may be counted, and what of it may be shown."""
