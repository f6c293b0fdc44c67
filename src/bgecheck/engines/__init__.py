"""What is peculiar to an inference engine; today sglang alone."""
