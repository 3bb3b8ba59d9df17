namespace OrleansPd.Gateway.Wire;

/// <summary>An error as a whole HTTP response.</summary>
internal static class ErrorResponse
{
    /// <summary>Writes the response; nothing of another one may have been sent.</summary>
    public static async Task WriteAsync(
        HttpContext context, AnswerError error, ErrorShape shape, CancellationToken cancellationToken)
    {
        var response = context.Response;
        response.StatusCode = error.Status;
        response.ContentType = "application/json";
        SetRetryAfter(response, error.RetryAfter);
        if (shape is ErrorShape.OpenAi or ErrorShape.Native)
            response.Headers["x-router-error-code"] = error.Code;
        ErrorJson.Write(response.BodyWriter, error, shape);
        await response.BodyWriter.FlushAsync(cancellationToken);
    }

    public static Task WriteAsync(HttpContext context, AnswerError error, ErrorShape shape = ErrorShape.OpenAi) =>
        WriteAsync(context, error, shape, context.RequestAborted);

    /// <summary>Says when to come again, in whole seconds, at least 1; null = not at all.</summary>
    public static void SetRetryAfter(HttpResponse response, TimeSpan? wait)
    {
        if (wait is { } time)
        {
            response.Headers.RetryAfter = Math.Max(1, (long)Math.Ceiling(time.TotalSeconds))
                .ToString(CultureInfo.InvariantCulture);
        }
    }
}
