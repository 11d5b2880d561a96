"""What users of event loops complain about, and the tests that show our answer.

Rules. A complaint is told in one sentence, as its user would. A test it names would fail on a loop
that deserves the complaint. The name of a test alone is given, for it may move from one file to
another; tests/test_complaints.py looks for it. The numbers go by how many users are concerned. What
operators complain about in process managers is in tests.serving.complaints.
"""
