// Empty: what is precompiled (Precompiled.h) belongs to a library, and a library has a source.
