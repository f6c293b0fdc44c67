"""The pages of a sglang server beside the OpenAI routes."""

from bgecheck.engines.base import Pages
from bgecheck.engines.sglang.running import most_at_once

MODEL_PAGE = "/model_info"
"""There from 0.5.6 on; asking for the older name there writes a deprecation into the server's log."""

SETTINGS_PAGE = "/server_info"

PAGES = Pages(
    model=(MODEL_PAGE, "/get_model_info"),
    settings=(SETTINGS_PAGE, "/get_server_info"),
    health=("/health", "/health_generate"),
    owner="sglang",
    at_once=most_at_once,
)

DANGEROUS = ("/generate", "/v1/completions", "/v1/rerank")
"""One request to any of these ends an embedding server (0.5.3 to 0.5.23)."""

SHOW_MODEL_PAGE = f"curl -sS --noproxy '*' {{url}}{MODEL_PAGE}"
"""The command that prints the page about the model."""

SHOW_WORKERS = "curl -sS --noproxy '*' {url}/workers"
"""The command that prints the servers that a router of sglang knows, with the state of each."""
