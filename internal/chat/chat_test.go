package chat_test

import (
	"os"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"github.com/lite-llm/lite/internal/chat"
	"github.com/lite-llm/lite/internal/chat/jinja"
)

// TestTemplates holds templates of real models to the reference's results.
func TestTemplates(t *testing.T) {
	text, err := os.ReadFile("testdata/chats.json")
	require.NoError(t, err)
	var file struct {
		Conversations map[string][]struct {
			Role    string `json:"role"`
			Content string `json:"content"`
		} `json:"conversations"`
		Cases []struct {
			Template     string `json:"template"`
			Conversation string `json:"conversation"`
			Generate     bool   `json:"generate"`
			Want         string `json:"want"`
			Error        bool   `json:"error"`
		} `json:"cases"`
	}
	require.NoError(t, json.Unmarshal(text, &file))
	require.NotEmpty(t, file.Cases)
	for _, c := range file.Cases {
		source, err := os.ReadFile("testdata/templates/" + c.Template)
		require.NoError(t, err)
		f, err := chat.New(string(source), chat.Tokens{BOS: "<s>", EOS: "</s>"})
		require.NoError(t, err, c.Template)
		var messages []chat.Message
		for _, m := range file.Conversations[c.Conversation] {
			messages = append(messages, chat.Message(m))
		}
		got, err := f.Format(messages, chat.Options{AddGenerationPrompt: c.Generate})
		if c.Error {
			var raised *jinja.RaisedError
			require.ErrorAs(t, err, &raised, "%s %s", c.Template, c.Conversation)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, c.Want, got, "%s %s", c.Template, c.Conversation)
	}
}
