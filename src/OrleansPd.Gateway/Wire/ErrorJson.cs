using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using OrleansPd.Engines.Attempts;
using OrleansPd.Engines.Requests;

namespace OrleansPd.Gateway.Wire;

/// <summary>Writes an error as the caller's dialect has it.</summary>
internal static class ErrorJson
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>
    /// The OpenAI object <c>{"error":{"message","type","param","code"}}</c> on every route: OpenAI's clients read it, and
    /// <c>error.message</c> is also where SGLang's native <c>/generate</c> puts its words.
    /// </summary>
    /// <param name="error">What went wrong.</param>
    /// <param name="dialect">Native frames carry the status as <c>code</c>, because SGLang's clients read a number there.</param>
    /// <param name="inStream">The error is an event of a stream that has begun.</param>
    public static void Write(IBufferWriter<byte> output, AnswerError error, Dialect dialect, bool inStream)
    {
        using var json = new Utf8JsonWriter(output, Options);
        json.WriteStartObject();
        json.WriteStartObject("error");
        json.WriteString("message", error.Message);
        json.WriteString("type", TypeOf(error.Status));
        json.WriteString("param", error.Param);
        if (inStream || dialect == Dialect.Generate)
        {
            json.WriteNumber("code", error.Status);
        }
        else
        {
            json.WriteString("code", error.Code);
        }
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static string TypeOf(int status) => status switch
    {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        >= 400 and < 500 => "invalid_request_error",
        503 => "service_unavailable_error",
        504 => "timeout_error",
        _ => "server_error",
    };
}
