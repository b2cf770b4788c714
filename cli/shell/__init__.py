"""The prompt: a peer in this process, and a conversation with it."""
