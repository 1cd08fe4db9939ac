"""From a resource's declaration to one SQL statement that returns finished JSON."""
