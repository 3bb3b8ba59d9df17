using System.Text.Encodings.Web;

namespace OrleansPd.Engines.Attempts;

/// <summary>How a caller expects an error to be written.</summary>
public enum ErrorShape
{
    /// <summary><c>{"error":{"message","type","param","code"}}</c>, the code as a word.</summary>
    OpenAi,

    /// <summary>
    /// The same with the status as <c>code</c>: clients of SGLang's native routes, and of its streams, read a number.
    /// </summary>
    Native,

    /// <summary><c>{"error","code"}</c>, as the management API of the SGLang gateway.</summary>
    Management,

    /// <summary>The same with the message again as <c>detail</c>, where AReaL's gateway reads it.</summary>
    PairRouting,
}

/// <summary>Writes an error in the shape that its caller expects. This is the only place that knows these shapes.</summary>
public static class ErrorJson
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The shape of a dialect's errors.</summary>
    public static ErrorShape ShapeOf(Dialect dialect) => dialect == Dialect.Generate ? ErrorShape.Native : ErrorShape.OpenAi;

    public static void Write(IBufferWriter<byte> output, AnswerError error, ErrorShape shape)
    {
        ArgumentNullException.ThrowIfNull(error);
        using var json = new Utf8JsonWriter(output, Options);
        json.WriteStartObject();
        if (shape is ErrorShape.OpenAi or ErrorShape.Native)
        {
            json.WriteStartObject("error");
            json.WriteString("message", error.Message);
            json.WriteString("type", TypeOf(error.Status));
            json.WriteString("param", error.Param);
            if (shape == ErrorShape.Native)
                json.WriteNumber("code", error.Status);
            else
                json.WriteString("code", error.Code);
            json.WriteEndObject();
        }
        else
        {
            json.WriteString("error", error.Message);
            json.WriteString("code", error.Code);
            if (shape == ErrorShape.PairRouting)
                json.WriteString("detail", error.Message);
        }
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
