namespace OrleansPd.Simulator.Http;

/// <summary>A refusal of the front end. How it looks depends on the route that was called.</summary>
internal sealed class ApiError(int status, string message, string type = "BadRequestError") : Exception(message)
{
    public int Status => status;
    public string Type => type;

    /// <summary><c>{"error":{"message":...}}</c>, the form of value errors on native routes.</summary>
    public static void WriteNative(Utf8JsonWriter json, string message)
    {
        json.WriteStartObject();
        json.WriteStartObject("error");
        json.WriteString("message", message);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>The five flat members of everything else.</summary>
    public static void WriteFlat(Utf8JsonWriter json, string message, string type, int code)
    {
        json.WriteStartObject();
        json.WriteString("object", "error");
        json.WriteString("message", message);
        json.WriteString("type", type);
        json.WriteNull("param");
        json.WriteNumber("code", code);
        json.WriteEndObject();
    }

    /// <summary>The status as Python names it, which event streams show.</summary>
    public static string StatusName(int status) => status switch
    {
        400 => "BAD_REQUEST",
        503 => "SERVICE_UNAVAILABLE",
        _ => "INTERNAL_SERVER_ERROR",
    };
}
