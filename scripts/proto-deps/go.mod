module warmpath.dev/proto-deps

go 1.21

require github.com/bufbuild/protovalidate v1.2.2
