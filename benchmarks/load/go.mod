module tasques-benchmarks/load

go 1.22
