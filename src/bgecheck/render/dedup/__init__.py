"""How a de-duplication is shown: on a terminal, as a page of HTML, and for programs."""
