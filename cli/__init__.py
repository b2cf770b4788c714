"""The program `videoteca`: commands, the prompt, and what they print."""

import os

# What gRPC has to say on its own would come between what people read; its errors reach us all the
# same. It looks at this when it is imported.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
