"""Handovers: the open referrals of a pupil who changed school pass to the new school, and keep their wait."""
