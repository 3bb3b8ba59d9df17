using System.Text.Encodings.Web;
using System.Text.Json.Nodes;

namespace OrleansPd.Gateway.Management;

/// <summary>Answers of the management API. Codes are in capitals, as in the SGLang gateway.</summary>
internal static class ManagementJson
{
    private static readonly JsonSerializerOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Task WriteAsync(HttpContext context, int status, JsonNode body)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        return context.Response.WriteAsync(body.ToJsonString(Options), context.RequestAborted);
    }

    public static Task RefuseAsync(HttpContext context, int status, string code, string message) =>
        ErrorResponse.WriteAsync(context, new AnswerError(status, code, message), ErrorShape.Management);

    public static Task BadRequestAsync(HttpContext context, string message) => RefuseAsync(context, 400, "BAD_REQUEST", message);

    public static Task RefuseAsync(HttpContext context, AdminProblem? problem, string? message)
    {
        var (status, code) = problem switch
        {
            AdminProblem.NotFound => (404, "WORKER_NOT_FOUND"),
            AdminProblem.Duplicate => (409, "WORKER_EXISTS"),
            AdminProblem.Conflict => (409, "CONFLICT"),
            AdminProblem.EngineRefused => (502, "ENGINE_REFUSED"),
            AdminProblem.TimedOut => (504, "TIMED_OUT"),
            AdminProblem.Invalid => (400, "BAD_REQUEST"),
            AdminProblem.Unavailable => (503, "UNAVAILABLE"),
            _ => throw new InvalidOperationException($"no status for {problem}"),
        };
        return RefuseAsync(context, status, code, message ?? "");
    }
}
