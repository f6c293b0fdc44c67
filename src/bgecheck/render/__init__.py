"""Reports and pages for people and programs: `formats` lists what `-o` takes, one module each."""
