"""How a report is told: one module for each format."""
