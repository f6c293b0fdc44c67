"""Tells a gateway by the headers that it adds to a response, whatever stands behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from bgecheck.model import clean

GATEWAYS = LITELLM, ONE_API, NEW_API = "LiteLLM", "one-api / new-api", "new-api"


class Gateway(NamedTuple):
    """A gateway that names itself."""

    name: str
    version: str | None = None


def gateway_of(headers: Mapping[str, str]) -> Gateway | None:
    """The gateway that wrote these headers.

    LiteLLM puts its version into the answers that a model gave (seen with 1.80.0); one-api and its
    descendant new-api share the name of one header (common/constants.go), new-api adds its version.
    """
    if "x-litellm-version" in headers:
        return Gateway(LITELLM, clean(headers["x-litellm-version"], 40))
    if "x-new-api-version" in headers:
        return Gateway(NEW_API, clean(headers["x-new-api-version"], 40))
    return Gateway(ONE_API) if "x-oneapi-request-id" in headers else None
