"""What sglang writes into its log: sessions, their phases, and the causes of failures."""
