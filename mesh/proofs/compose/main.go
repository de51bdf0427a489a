// Command compose prints a Compose file as Docker would run it: read by Docker's own loader, which refuses unknown
// keys, missing networks and volumes, and cycles; interpolated, merged, all profiles included.
//
//	go run . compose.yaml [env file]
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("which file?")
	}
	// Nothing of this process's environment: what is checked are the defaults that the file gives itself, and what an env
	// file makes of them.
	options, err := cli.NewProjectOptions(args[:1], cli.WithEnvFiles(args[1:]...), withGivenEnv(args[1:]), cli.WithProfiles([]string{"*"}))
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	text, err := project.MarshalJSON()
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}

// withGivenEnv reads env files where some are given; without any, Docker would look for .env beside the file.
func withGivenEnv(files []string) cli.ProjectOptionsFn {
	if len(files) == 0 {
		return func(*cli.ProjectOptions) error { return nil }
	}
	return cli.WithDotEnv
}
