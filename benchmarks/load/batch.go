package main

func batchCreate(queue string) result { fatal("not yet"); return nil }
func batchLife(queue string) result   { fatal("not yet"); return nil }
