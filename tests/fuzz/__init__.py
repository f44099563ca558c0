"""Random files of every format, sound and damaged, through readers and maps: `python -m tests.fuzz --cases 1000`."""
