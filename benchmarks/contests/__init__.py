"""wyrm beside other libraries: the same data, threads and settings, each in a process of its own, by turns."""
