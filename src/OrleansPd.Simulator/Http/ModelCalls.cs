namespace OrleansPd.Simulator.Http;

internal sealed class ModelCalls(EngineProcess engine)
{
    public Task ListAsync(HttpContext context) => context.JsonAsync(200, json =>
    {
        json.WriteStartObject();
        json.WriteString("object", "list");
        json.WriteStartArray("data");
        WriteCard(json);
        foreach (var name in engine.Adapters.Keys.Order(StringComparer.Ordinal))
            WriteCard(json, name, parent: engine.ModelName);
        json.WriteEndArray();
        json.WriteEndObject();
    });

    public Task OneAsync(HttpContext context, string id) => id == engine.ModelName
        ? context.JsonAsync(200, json => WriteCard(json))
        : context.JsonAsync(404, json =>
        {
            json.WriteStartObject();
            json.WriteStartObject("error");
            json.WriteString("message", $"The model '{id}' does not exist");
            json.WriteString("type", "invalid_request_error");
            json.WriteString("param", "model");
            json.WriteString("code", "model_not_found");
            json.WriteEndObject();
            json.WriteEndObject();
        });

    public Task InfoAsync(HttpContext context) => context.JsonAsync(200, json =>
    {
        json.WriteStartObject();
        json.WriteString("model_path", engine.Options.ModelPath);
        json.WriteString("tokenizer_path", engine.Options.ModelPath);
        json.WriteBoolean("is_generation", !engine.Options.IsEmbedding);
        json.WriteNull("preferred_sampling_params");
        json.WriteString("weight_version", engine.WeightVersion);
        json.WriteBoolean("has_image_understanding", false);
        json.WriteBoolean("has_audio_understanding", false);
        json.WriteString("model_type", "simulated");
        json.WriteStartArray("architectures");
        json.WriteStringValue("SimulatedForCausalLM");
        json.WriteEndArray();
        json.WriteEndObject();
    });

    private void WriteCard(Utf8JsonWriter json, string? adapter = null, string? parent = null)
    {
        json.WriteStartObject();
        json.WriteString("id", adapter ?? engine.ModelName);
        json.WriteString("object", "model");
        json.WriteNumber("created", engine.Clock.GetUtcNow().ToUnixTimeSeconds());
        json.WriteString("owned_by", "sglang");
        json.WriteString("root", adapter is null ? engine.ModelName : engine.Adapters.GetValueOrDefault(adapter));
        json.WriteString("parent", parent);
        if (adapter is null)
            json.WriteNumber("max_model_len", engine.Options.ContextLength);
        else
            json.WriteNull("max_model_len");
        json.WriteEndObject();
    }
}
