"""The schema of the JSON report, ready to validate reports with."""

from __future__ import annotations

import json

import jsonschema

from bgecheck.schema import text

SCHEMA = json.loads(text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
