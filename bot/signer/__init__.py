"""The process that holds the CA's key and believes only what officers signed (threats, section 10)."""
