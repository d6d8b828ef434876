"""How the service and its typesetters speak: lengths before bytes, in network order. Pure."""

import struct

REQUEST = struct.Struct(">3sI")
"""The form that is asked for, and the length of a document, which follows as JSON."""
ANSWER = struct.Struct(">c?I")
"""How it went, whether more documents are taken, and the length of what follows."""
DONE, FAILED, LARGE = b"d", b"f", b"l"
"""The document follows; a message of the typesetter does; nothing does, it would be too large."""
