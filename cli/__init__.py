"""The program `videoteca`: commands, the prompt, and what they print."""
