"""What holds for every request, one middleware for each duty."""
