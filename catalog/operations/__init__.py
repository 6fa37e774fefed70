"""Operations: is all as it should be, what can be removed, what happened."""
