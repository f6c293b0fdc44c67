"""The doors to the machine: files, processes, sockets, NVML, HTTP. Third-party exceptions stop here."""
