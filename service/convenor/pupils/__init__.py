"""Who a pupil is."""
