// A listener as one writes it in Go: what net/http takes by itself, line by line.
package main

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
)

func main() {
	response, err := http.Get(os.Args[1])
	if err != nil {
		panic(err)
	}
	fmt.Println(response.StatusCode, "uncompressed:", response.Uncompressed)
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		fmt.Println(lines.Text())
	}
}
