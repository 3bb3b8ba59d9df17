using OrleansPd.Tools.Traces;

namespace OrleansPd.Tools.Replay;

/// <summary>Writes the JSON of one request. Answers are greedy and have a fixed length, so that they can be compared.</summary>
internal static class RequestBody
{
    public static string Path(ReplayEndpoint endpoint) => endpoint switch
    {
        ReplayEndpoint.Generate => "/generate",
        ReplayEndpoint.Chat => "/v1/chat/completions",
        ReplayEndpoint.Completions => "/v1/completions",
        _ => throw new ArgumentOutOfRangeException(nameof(endpoint)),
    };

    public static ReadOnlyMemory<byte> Write(ReplayOptions options, PromptSynthesizer prompts, TraceRequest request, int index)
    {
        var buffer = new ArrayBufferWriter<byte>((request.InputTokens * 7) + 256);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        if (options.Endpoint == ReplayEndpoint.Generate)
        {
            if (options.TokenIds)
            {
                json.WriteStartArray("input_ids");
                foreach (var id in prompts.Ids(request, index))
                    json.WriteNumberValue(id);

                json.WriteEndArray();
            }
            else
            {
                json.WriteString("text", prompts.Text(request, index));
            }

            json.WriteStartObject("sampling_params");
            json.WriteNumber("temperature", 0);
            json.WriteNumber("max_new_tokens", request.OutputTokens);
            json.WriteBoolean("ignore_eos", true);
            json.WriteEndObject();
        }
        else
        {
            json.WriteString("model", options.Model);
            WritePrompt(json, options.Endpoint, prompts.Text(request, index));
            json.WriteNumber("temperature", 0);
            json.WriteNumber("max_tokens", request.OutputTokens);
            json.WriteBoolean("ignore_eos", true);
            if (options.Stream)
            {
                json.WriteStartObject("stream_options");
                json.WriteBoolean("include_usage", true);
                json.WriteEndObject();
            }
        }

        json.WriteBoolean("stream", options.Stream);
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenMemory;
    }

    private static void WritePrompt(Utf8JsonWriter json, ReplayEndpoint endpoint, string prompt)
    {
        if (endpoint == ReplayEndpoint.Completions)
        {
            json.WriteString("prompt", prompt);
            return;
        }

        json.WriteStartArray("messages");
        json.WriteStartObject();
        json.WriteString("role", "user");
        json.WriteString("content", prompt);
        json.WriteEndObject();
        json.WriteEndArray();
    }
}
