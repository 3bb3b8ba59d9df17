using System.Text.Encodings.Web;

namespace OrleansPd.Simulator.Hosting;

internal static class Replies
{
    public static readonly JsonWriterOptions Relaxed = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        SkipValidation = true,
    };

    public static Task TextAsync(this HttpContext context, int status, string text, string type = "text/plain; charset=utf-8") =>
        context.BytesAsync(status, Encoding.UTF8.GetBytes(text), type);

    public static Task JsonAsync(this HttpContext context, int status, Action<Utf8JsonWriter> write) =>
        context.BytesAsync(status, Json(write), "application/json");

    public static async Task BytesAsync(this HttpContext context, int status, ReadOnlyMemory<byte> body, string? type)
    {
        context.Response.StatusCode = status;
        context.Response.ContentLength = body.Length;
        if (body.Length > 0)
        {
            context.Response.ContentType = type;
            await context.Response.Body.WriteAsync(body, context.RequestAborted);
        }
    }

    public static ReadOnlyMemory<byte> Json(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using var json = new Utf8JsonWriter(buffer, Relaxed);
        write(json);
        json.Flush();
        return buffer.WrittenMemory;
    }
}
