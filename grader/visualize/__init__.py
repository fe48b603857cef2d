"""``grader visualize``: pictures of a student's network, and of what it sees."""
