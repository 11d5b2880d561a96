"""The instrument: who is compared, how a case is measured in a process of its own, the tables."""
