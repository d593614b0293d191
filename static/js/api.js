// Draws the OpenAPI document with Swagger UI, from our own static files only.
document.addEventListener("DOMContentLoaded", () => {
  const place = document.getElementById("api-document");
  window.SwaggerUIBundle({
    domNode: place,
    url: place.dataset.schemaUrl,
    deepLinking: false,
    // The default asks a validator on the internet.
    validatorUrl: null,
    defaultModelsExpandDepth: 0,
  });
});
