"""Read a reply: the answer parser, the audit of reasoning, voting."""
