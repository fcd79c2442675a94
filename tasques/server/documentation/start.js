// A file of its own, because the page's Content-Security-Policy allows no script in the page.
const place = document.getElementById("swagger-ui");

window.ui = SwaggerUIBundle({
  url: place.dataset.description,
  domNode: place,
  deepLinking: true,
  displayRequestDuration: true,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  // Without this it would send the description to a validator on the internet.
  validatorUrl: null,
});
