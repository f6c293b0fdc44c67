"""Client code and client settings for an endpoint, run against it before they are shown."""
